// Every text of the page, so that a translation is one file. What depends on numbers or names is a function.

const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;

export const texts = {
  title: "Colorzoo",
  skip: "Skip to the picture",
  add: "Add pictures",
  dark: "Dark page",
  help: "Help",
  close: "Close",
  dismiss: "Dismiss",

  // Before there is a picture
  headline: "See old photographs in color",
  lead: "A neural network suggests colors that are plausible. You choose among them, and correct what you know better.",
  choose: "Choose photographs",
  chooseFolder: "Choose a folder",
  take: "Use the camera",
  dragOrPaste: "or drag photographs, folders and short films here, or paste a picture",
  dropHere: "Drop to add",
  examples: "Or try one of these",
  example: (name) => `Try the example: ${name}`,
  exampleNames: { astronaut: "portrait of an astronaut", chelsea: "a cat", coffee: "a cup of coffee" },
  privacy: {
    here: "Your pictures stay on this computer. They are kept in memory while you work, and forgotten afterwards.",
    at: (host) =>
      `Your pictures are sent to ${host}, which runs this page. It keeps them in memory while you work, and forgets them afterwards.`,
    behind: (host) =>
      `Your pictures are sent to ${host}, which runs this page, and from there to a server with the models. ` +
      "They are kept in memory while you work, and forgotten afterwards.",
  },

  // The picture
  picture: "Picture",
  pictures: "Pictures",
  before: "Original",
  after: "Colorized",
  stageLabel: (name, fixing) => (fixing ? `${name}: choose a place` : name),
  stageKeys:
    "Arrow keys move the divider, or the picture where it is enlarged; while fixing colors they move the crosshair, " +
    "and Enter chooses its place. Plus and minus zoom, 0 fits the picture.",
  compareLabel: "Divider between original and colorized",
  compareValue: (percent) => `${percent} % original`,
  viewTools: "View",
  sideBySide: "Side by side",
  confidence: "Where the network is unsure",
  confidenceMean: (percent) => `Where it is orange, the network was unsure of its colors. Its mean confidence is ${percent} %.`,
  zoomIn: "Enlarge",
  zoomOut: "Reduce",
  zoomFit: "Fit the picture",
  zoomValue: (percent) => `${percent} %`,
  progress: "Progress",
  cancel: "Cancel",
  loading: "Reading the picture…",
  coloring: "Coloring…",
  colored: (name) => `${name} is colorized.`,
  busy: (seconds) => `The server is busy. Trying again in ${count(seconds, "second", "seconds")}…`,
  unreachable: "the server does not answer; is it still running?",
  tooLarge: (limit) => `is larger than the limit of ${limit} MB`,
  failed: (name, reason) => `${name}: ${reason}`,
  nothingFound: "There is no photograph or film among these files.",
  batch: (done, of) => `${done} of ${of} pictures are colorized.`,
  thumbnail: (name, state) => (state ? `${name}, ${state}` : name),
  states: { waiting: "waiting", working: "being colorized", ready: "", failed: "could not be read" },
  filmMark: "Film",
  failedMark: "!",

  // Look
  settings: "Settings",
  tabLook: "Look",
  tabAdjust: "Adjust",
  tabFix: "Fix",
  tabSave: "Save",
  look: "Look",
  looks: { calm: "Calm", natural: "Natural", vivid: "Vivid" },
  noLooks: "This model has a single look.",
  preset: "Model",
  recommended: (name) => `${name} (recommended)`,
  presetAbout: (architecture, millions, data) => `${architecture}, ${millions} million parameters. Trained on ${data}.`,
  reference: "Reference photograph",
  referenceAbout: "Takes the colors of another picture, such as one of the same place.",
  chooseReference: "Choose",
  removeReference: "Remove",
  referenceAlt: "The reference photograph",

  // Adjust
  saturation: "Saturation",
  temperature: "Temperature",
  temperatureAbout: "Lower is more vivid, higher is more muted.",
  automatic: "automatic",
  tint: "Filters",
  filters: {
    gray: "Gray",
    sepia: "Sepia",
    invert: "Invert",
    sharpen: "Sharpen",
    denoise: "Denoise",
    contrast: "Contrast",
  },
  reset: "Reset",
  applyAll: "Apply to all pictures",
  appliedAll: (number) => `Look and adjustments now apply to ${count(number, "picture", "pictures")}.`,

  // Fix
  fixPrompt: "Click a place whose color is wrong. With the keyboard, move the crosshair over the picture and press Enter.",
  fixChoose: "Choose a color for this place. It spreads to what belongs together.",
  noFixes: "This model cannot be corrected. Choose another one under Look.",
  palette: "Plausible colors here",
  ownColor: "Another color",
  swatch: (name, percent) => (percent === null ? name : `${name}, ${percent} % likely`),
  crosshair: (x, y) => `${x} % from the left, ${y} % from the top`,
  paletteReady: (number, current) =>
    `This place is ${current} now. ${count(number, "color is", "colors are")} plausible here.`,
  fixed: (name) => `The place is ${name} now.`,
  fixCount: (number) => (number === 0 ? "No color is fixed yet." : `${count(number, "color is", "colors are")} fixed.`),
  undo: "Undo",
  redo: "Redo",
  removeFix: "Remove this one",
  clearFixes: "Remove all",

  // Save
  format: "Format",
  sameFormat: "As the original",
  formats: { jpeg: "JPEG", png: "PNG", tiff: "TIFF", webp: "WebP" },
  download: "Download in full resolution",
  downloadFilm: "Download the film",
  collage: "Download side by side",
  collageAll: "Download all on one sheet",
  zip: (number) => `Download all ${number} as a ZIP file`,
  saving: "Preparing the file…",
  savingBatch: (number, of) => `Preparing picture ${number} of ${of}…`,
  collagePart: (rows, of) => `The sheet has the first ${rows} of ${of} pictures: more do not fit.`,
  saved: (name) => `${name} is ready.`,
  marked: "Files say in their metadata that they were colorized, and by which model.",
  remove: "Close this picture",
  colorizedName: (stem) => `${stem}-colorized`,
  collageName: "side-by-side",
  zipName: (part) => (part === 1 ? "colorized" : `colorized-${part}`),

  // Films
  filmStart: "Colorize this film",
  filmAbout: "A film takes a while, and keeps its sound. The server has it in a temporary folder until you close it here.",
  filmsUnavailable: (reason) => `Films cannot be colorized here: ${reason}`,
  filmWaiting: (place) => (place === 1 ? "This film is next." : `Waiting: number ${place} in the queue.`),
  filmRunning: (done, of, minutes) =>
    (of ? `Frame ${done} of ${of}` : `Frame ${done}`) + (minutes === null ? "" : `, about ${count(minutes, "minute", "minutes")} left`),
  filmSending: "Sending the film…",
  filmCancelled: "The film was cancelled.",

  // Names of colors, for screen readers and tooltips
  colors: {
    black: "black",
    gray: "gray",
    white: "white",
    red: "red",
    pink: "pink",
    orange: "orange",
    brown: "brown",
    beige: "beige",
    yellow: "yellow",
    olive: "olive",
    green: "green",
    teal: "teal",
    blue: "blue",
    violet: "violet",
    purple: "purple",
  },
  shades: { dark: (name) => `dark ${name}`, light: (name) => `light ${name}`, pale: (name) => `grayish ${name}` },

  // Help: sections of paragraphs, lists and a table of keys
  helpSections: [
    {
      title: "How it works",
      list: [
        "Add photographs: choose files or a whole folder, drag them onto the page, paste one, or take one with the camera of a phone. TIFF and JPEG 2000 work too, with 16 bits as well, and HEIC where the server can read it.",
        "Look: calm, natural and vivid are three suggestions for the same picture. Take the one that suits it; another model gives others.",
        "Compare: drag the divider over the picture or move the slider below it. The eye shows where the network was unsure.",
        "Fix: click a place whose color is wrong and take one of the colors that are plausible there, or any other. It spreads at once to what belongs together.",
        "Save: the file has the full resolution of the original. Several pictures can be saved as a ZIP file.",
      ],
    },
    {
      title: "What is honest to expect",
      list: [
        "Colors are suggestions. A gray photograph does not say whether a dress was red or green; the network says what was frequent in the photographs that it learned from.",
        "Skies, plants, skin and wood come out well most of the time. Clothes, painted things, flags, uniforms and animals are often wrong, or too gray.",
        "Nothing here is evidence: do not take a color for a fact about the past. Say that a picture was colorized when you show it; the metadata of saved files says so.",
        "Only colors change. Lightness stays that of the photograph, so that faces and details are not redrawn, and scratches stay as well.",
      ],
    },
    {
      title: "With the keyboard",
      keys: [
        ["Tab, Shift+Tab", "to the next or the previous control"],
        ["Arrow keys", "on the picture: move the divider; where it is enlarged, the picture; under Fix, the crosshair (with Shift in larger steps)"],
        ["Enter", "under Fix, on the picture: choose the place under the crosshair; then on a color: take it"],
        ["Escape", "from the colors back to the picture"],
        ["+ − 0", "on the picture: enlarge, reduce, fit"],
        ["Ctrl+Z, Ctrl+Y", "undo and redo fixes"],
        ["Ctrl+V", "add the picture in the clipboard"],
      ],
    },
    {
      title: "About",
      paragraphs: [
        (version) => `Colorzoo ${version}: networks for colorizing photographs, published under the Apache License 2.0. It runs on your own computer or server. This page needs no account, sets no cookies, counts nobody, and loads nothing from other hosts.`,
        "The examples are in the public domain: the portrait of Eileen Collins by NASA, the cup of coffee by Rachel Michetti, the cat Chelsea by Stéfan van der Walt.",
      ],
    },
  ],
};
