"""What a colorized file says about how it was made: a sentence, and properties of XMP."""

from dataclasses import dataclass

from media.xmp import IPTC_EXTENSION, Properties

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for a picture that was changed by a trained model: the colors are its own, light and dark are not."""

_LONGEST = 300  # characters of the name of a model


@dataclass(frozen=True)
class Mark:
    """Which version of Colorzoo colorized a photograph, and with which model.

    Attributes:
        version: Of Colorzoo.
        model: Name of the preset, or what else identifies the weights.
    """

    version: str
    model: str

    def __post_init__(self) -> None:
        # It may be the name of a file, which may hold what no XML can.
        printable = (letter if letter.isprintable() else "\ufffd" for letter in self.model[:_LONGEST])
        object.__setattr__(self, "model", "".join(printable))

    @property
    def text(self) -> str:
        """One sentence."""
        return f"Colorized by colorzoo {self.version} with {self.model}"

    def to_xmp(self, properties: Properties) -> bytes:
        """The XMP packet: IPTC's digital source type, the system and its version, and an entry in the history.

        Args:
            properties: Those of the source, of which the others are kept.
        """
        former = properties.replace(f"{IPTC_EXTENSION}DigitalSourceType", DIGITAL_SOURCE_TYPE)
        properties.replace(f"{IPTC_EXTENSION}AISystemUsed", f"colorzoo: {self.model}")
        properties.replace(f"{IPTC_EXTENSION}AISystemVersionUsed", self.version)
        # There is one value only, and the former may say what was scanned: a print, a negative or a slide.
        kept = "" if former in (None, DIGITAL_SOURCE_TYPE) else f"; digital source type of the original: {former}"
        properties.add_event(
            {"action": "edited", "softwareAgent": f"colorzoo {self.version}", "parameters": self.text + kept}
        )
        return properties.to_packet()
