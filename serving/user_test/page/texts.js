// Every text of the page, so that a translation is one file. What depends on numbers is a function.
export const texts = {
  title: "Which picture has artificial colors?",
  introduction:
    "You will see photographs in two versions. One has the colors that the camera took. " +
    "The other was turned gray and colored again by a computer.",
  stepGray: "Gray, as long as you like",
  stepFirst: "One version, 1 second",
  stepSecond: "The other, 1 second",
  stepQuestion: "Which was artificial?",
  length: (practice, trials, minutes) =>
    `${practice} photographs are for practice, with the answer told; ${trials} follow without it. ` +
    `That takes about ${minutes === 1 ? "a minute" : `${minutes} minutes`}. You can pause at any gray photograph.`,
  consent: "I take part of my own free will, and my answers may be used without my name.",
  ageGroup: "Age (optional)",
  noAnswer: "I prefer not to say",
  begin: "Begin",
  privacy:
    "Your answers, their times and your age group are stored on the computer that shows this test, and go nowhere else. " +
    "You may stop at any time by closing the page.",

  welcomeBack: "Welcome back",
  resume: (number, of, practice) =>
    practice ? `You were at photograph ${number} of ${of} to practice.` : `You were at photograph ${number} of ${of}.`,
  goOn: "Go on",
  anotherPerson: "I am somebody else",

  practice: "Practice",
  trials: "Photograph",
  count: (number, of) => `${number} of ${of}`,
  loading: "Loading the pictures…",
  gray: "Look at the photograph, then press any key.",
  grayTouch: "Look at the photograph, then tap it.",
  grayPicture: "A photograph in gray",
  reveal: "Show both versions",
  first: "First",
  second: "Second",
  firstPicture: "The first version",
  secondPicture: "The second version",
  question: "Which one had artificial colors?",
  questionAgain: "You have seen this photograph. Which version had artificial colors?",
  nothing: "No picture",
  notSeen: "I did not see both",
  right: (first) => `Right: the ${first ? "first" : "second"} was artificial.`,
  wrong: (first) => `No: the ${first ? "first" : "second"} was artificial.`,
  next: "Next photograph",
  interrupted: "The page was out of sight, so here is another photograph.",

  practiceOver: "That was the practice",
  fromNowOn: (trials) =>
    `Now ${trials} photographs follow. You will not be told whether you are right until the end. ` +
    "If you cannot tell, choose what seems more likely.",

  thanks: "Thank you",
  score: (found, trials) => `You found the artificial picture in ${found} of ${trials} photographs.`,
  guessing: (half) => `Somebody who only guesses finds about ${half}.`,
  stored: "Your answers are stored. You can close the page now.",
  nextPerson: "Next participant",

  problem: "The test cannot go on right now",
  problemText: "The computer that shows this test does not answer. Your answers so far are safe.",
  retry: "Try again",
};
