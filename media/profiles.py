"""From the color space of a file to sRGB: ICC profiles, and what PNG says in numbers (gAMA, cHRM)."""

import io
import struct
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from media import matrix_profiles
from media.photograph import eight_bits

_NOTICEABLE = 2  # levels of 255: a profile that moves no color by more is sRGB for us
_ROWS_AT_ONCE = 2**20  # pixels, each of which takes some 50 bytes for a moment
_SRGB_GAMMA = 1 / 2.2
_D65 = (0.3127, 0.3290)
_D50 = (0.34570, 0.35854)
_SRGB_CHROMATICITY = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue; x and y of each
_CREATED = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)  # lcms puts the present time there
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def profile_of(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The embedded profile, if it can be parsed and means something else than sRGB."""
    data = image.info.get("icc_profile")
    if not isinstance(data, bytes) or not data or _is_srgb(data):
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(data))
    except Exception:  # viewers, too, show a picture with a damaged profile as if it had none
        return None


def through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    """`image` (mode L, RGB or CMYK) in sRGB, or None if the profile is for another kind of picture."""
    spaces = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
    try:
        if _space(profile) != spaces[image.mode]:
            return None
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        return ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError):  # as in profile_of
        return None


def to_srgb(pixels: np.ndarray, image: Image.Image) -> tuple[np.ndarray, bool]:
    """Gray (H, W) or RGB (H, W, 3), uint8 or uint16, of an opened file, in sRGB; and whether a profile was followed.

    By its profile, which is ignored if it does not fit, or else by a PNG's gAMA and cHRM. Color of 16 bits with a
    profile that consists of tables comes out with 8.
    """
    data = image.info.get("icc_profile")
    if data is None:
        return (pixels if image.mode in ("CMYK", "LAB") else _by_numbers(pixels, image)), False
    profile = profile_of(image)
    if image.mode in ("CMYK", "LAB"):
        return pixels, image.mode == "LAB" or (profile is not None and _space(profile) == "CMYK")
    if profile is None:
        return pixels, isinstance(data, bytes) and bool(data) and _is_srgb(data)
    if pixels.ndim == 3:
        shaper = matrix_profiles.parse(data) if pixels.dtype == np.uint16 else None
        if shaper is not None:
            return _through_matrix(pixels, shaper.curves, _from_d50() @ shaper.matrix, shaper.black), True
        converted = through_profile(Image.fromarray(eight_bits(pixels)), profile)
        return (pixels, False) if converted is None else (np.asarray(converted), True)
    # A gray profile is one curve, so that 256 points of it serve 16 bits too.
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    converted = through_profile(ramp, profile) or through_profile(ramp.convert("RGB"), profile)
    if converted is None:
        return pixels, False
    curve = np.asarray(converted)[0, :, 1]
    if pixels.dtype == np.uint8:
        return np.asarray(curve[pixels]), True
    levels = np.interp(np.arange(65536), np.arange(256) * 257, curve.astype(np.float64) * 257)
    return np.asarray(np.rint(levels).astype(np.uint16)[pixels]), True


def is_srgb(image: Image.Image) -> bool:
    """Whether `to_srgb` would leave the pixels of an opened file as they are."""
    if "icc_profile" in image.info:
        return profile_of(image) is None
    return _numbers(image) is None


def srgb_profile() -> bytes:
    """The profile of sRGB, the same bytes at all times."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data[:24] + _CREATED + data[36:]


def _space(profile: ImageCms.ImageCmsProfile) -> str:
    return str(profile.profile.xcolor_space).strip()


@lru_cache(maxsize=16)
def _is_srgb(data: bytes) -> bool:
    """Whether a profile for RGB moves no color noticeably; its name proves nothing, linear ones have "sRGB" in it."""
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    colors = np.concatenate([grid, ramp])[None]
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    except Exception:  # as in profile_of
        return False
    converted = through_profile(Image.fromarray(colors), profile)
    return converted is not None and int(np.abs(np.asarray(converted).astype(int) - colors).max()) <= _NOTICEABLE


def _numbers(image: Image.Image) -> tuple[float, tuple[float, ...]] | None:
    """Exponent of the file's curve and its chromaticities, if they are not those of sRGB."""
    if "srgb" in image.info:
        return None
    gamma, chromaticity = image.info.get("gamma"), image.info.get("chromaticity")
    exponent = gamma if isinstance(gamma, float) and 0.1 < gamma < 4 else _SRGB_GAMMA
    primaries = _SRGB_CHROMATICITY
    if isinstance(chromaticity, tuple) and all(0 < value < 1 for value in chromaticity[1::2]):
        primaries = chromaticity
    same_curve = abs(exponent / _SRGB_GAMMA - 1) < 0.05
    same_primaries = np.allclose(primaries, _SRGB_CHROMATICITY, atol=0.003)
    if same_curve and (same_primaries or image.mode not in ("RGB", "RGBA", "P")):
        return None
    return exponent, primaries


def _by_numbers(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """`to_srgb` by gAMA and cHRM."""
    numbers = _numbers(image)
    if numbers is None:
        return pixels
    exponent, primaries = numbers
    white = np.iinfo(pixels.dtype).max
    level = np.arange(white + 1) / white
    # The usual exponent stands for the curve of sRGB itself.
    usual = abs(exponent / _SRGB_GAMMA - 1) < 0.05
    light = (_srgb_to_light(level) if usual else level ** (1 / exponent)).astype(np.float32)
    if pixels.ndim == 2 or np.allclose(primaries, _SRGB_CHROMATICITY, atol=0.003):
        return np.asarray(np.rint(white * _light_to_srgb(light)).astype(pixels.dtype)[pixels])
    try:
        matrix = np.linalg.inv(_to_xyz(_SRGB_CHROMATICITY)) @ _to_xyz(primaries)
    except np.linalg.LinAlgError:  # primaries on one line
        return pixels
    return _through_matrix(pixels, np.stack([light] * 3), matrix)


def _through_matrix(pixels: np.ndarray, curves: np.ndarray, matrix: np.ndarray, black: float = 0.0) -> np.ndarray:
    """RGB (H, W, 3) through curves (3, levels) to linear light, and by a matrix to that of sRGB, in sRGB.

    Args:
        black: Linear light that is to be 0.
    """
    white = np.iinfo(pixels.dtype).max
    result = np.empty_like(pixels)
    step = max(1, _ROWS_AT_ONCE // pixels.shape[1])
    for top in range(0, len(pixels), step):
        rows = pixels[top : top + step]
        linear = np.stack([curves[channel][rows[..., channel]] for channel in range(3)], axis=-1)
        linear = (linear @ matrix.T.astype(np.float32) - black) / (1 - black)
        result[top : top + step] = np.rint(white * _light_to_srgb(np.clip(linear, 0, 1)))
    return result


def _from_d50() -> np.ndarray:
    """(3, 3) from XYZ of white D50, which profiles use, to linear sRGB."""
    return np.asarray(np.linalg.inv(_to_xyz(_SRGB_CHROMATICITY, _D50)))


def _to_xyz(chromaticity: tuple[float, ...], to_white: tuple[float, float] = _D65) -> np.ndarray:
    """(3, 3) from linear RGB with these chromaticities to XYZ of another white."""
    points = np.array([(x / y, 1, (1 - x - y) / y) for x, y in zip(chromaticity[::2], chromaticity[1::2], strict=True)])
    white, colors = points[0], points[1:].T
    to_xyz = colors * np.linalg.solve(colors, white)
    new = np.array([to_white[0] / to_white[1], 1, (1 - sum(to_white)) / to_white[1]])
    scale = np.diag((_BRADFORD @ new) / (_BRADFORD @ white))
    return np.asarray(np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ to_xyz)


# As in `zoo.color`, which computes on tensors: reading pictures needs no framework.


def _srgb_to_light(level: np.ndarray) -> np.ndarray:
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def _light_to_srgb(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
