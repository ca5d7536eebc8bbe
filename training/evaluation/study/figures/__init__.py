"""The figures of a study, one module for each family. They are told apart by shape and lightness, not by hue alone."""
