// What people call a color, roughly: nobody should have to see a color in order to choose it.

import { texts } from "./texts.js";

// The least hue of each name, in degrees of OKLCH, in rising order; what is below the first is pink.
const HUES = [
  [12, "red"],
  [42, "orange"],
  [88, "yellow"],
  [118, "green"],
  [172, "teal"],
  [220, "blue"],
  [282, "violet"],
  [312, "purple"],
  [345, "pink"],
];

/** "#rrggbb" -> lightness 0..1, chroma, hue in degrees; Ottosson, A perceptual color space, 2020 */
function oklch(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const l = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
  const m = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
  const s = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
  const a = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const b = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  return {
    lightness: 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    chroma: Math.hypot(a, b),
    hue: ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360,
  };
}

function grayName(lightness) {
  if (lightness < 0.25) return texts.colors.black;
  if (lightness > 0.93) return texts.colors.white;
  if (lightness < 0.5) return texts.shades.dark(texts.colors.gray);
  return lightness > 0.78 ? texts.shades.light(texts.colors.gray) : texts.colors.gray;
}

// Dark orange is brown, and so on: these have names of their own.
function ownName(name, lightness, chroma) {
  if (name === "orange" && lightness < 0.6) return "brown";
  if ((name === "orange" || name === "yellow") && chroma < 0.08) return lightness < 0.6 ? "brown" : "beige";
  if (name === "yellow" && lightness < 0.65) return "olive";
  if (name === "red" && lightness > 0.72) return "pink";
  return name;
}

/** @param {string} color "#rrggbb" */
export function nameOf(color) {
  const { lightness, chroma, hue } = oklch(color);
  if (chroma < 0.025) return grayName(lightness);
  const [, found] = HUES.findLast(([least]) => hue >= least) ?? [0, "pink"];
  const key = ownName(found, lightness, chroma);
  const name = texts.colors[key];
  if (chroma < 0.06 && key !== "beige") return texts.shades.pale(name);
  if (lightness < 0.38) return texts.shades.dark(name);
  return lightness > 0.82 && key !== "yellow" && key !== "beige" ? texts.shades.light(name) : name;
}
