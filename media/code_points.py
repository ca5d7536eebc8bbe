"""What the numbers say by which PNG and HEIC name their colors.

ITU-T. Recommendation H.273: coding-independent code points. 2024. https://www.itu.int/rec/T-REC-H.273
"""

from media.photograph import UnusableError

_D65 = (0.3127, 0.3290)
_PRIMARIES = {  # by number: x and y of white, red, green and blue
    1: (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
# Exponents by the number of the curve, 1 / 2.2 standing for that of sRGB, by which browsers show those of television.
_GAMMAS = {1: 1 / 2.2, 6: 1 / 2.2, 14: 1 / 2.2, 15: 1 / 2.2, 13: 1 / 2.2, 4: 1 / 2.2, 5: 1 / 2.8, 8: 1.0}
_HIGH_RANGE = {16: "PQ", 18: "HLG"}
UNSPECIFIED = 2
"""The number of primaries, and of a curve, that says nothing."""


def meaning(primaries: int, curve: int) -> tuple[float, tuple[float, ...]]:
    """Exponent and chromaticities, as gAMA and cHRM of a PNG have them.

    Raises:
        UnusableError: they are not supported.
    """
    if curve in _HIGH_RANGE:
        raise UnusableError(f"holds a high dynamic range ({_HIGH_RANGE[curve]}); save it as sRGB")
    if primaries not in _PRIMARIES or curve not in _GAMMAS:
        raise UnusableError(
            f"holds colors of a kind (H.273: {primaries}, {curve}) that is not supported; save it as sRGB"
        )
    return _GAMMAS[curve], _PRIMARIES[primaries]
