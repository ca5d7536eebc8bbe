"""How well presets colorize photographs whose colors are known."""
