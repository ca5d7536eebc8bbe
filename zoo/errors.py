"""The exceptions of the project.

ColorzooError
├── UnknownNameError    no model, preset or recipe of that name
├── ArgumentError       an argument outside its range
├── PresetError         a file of weights that cannot be read, or a preset that does not match its row
├── DataError           a folder of photographs that cannot be trained or evaluated on
├── TrainingError       a run that cannot start, or cannot go on
├── PhotographError     one photograph that cannot be read or written
└── FilmError           one film that cannot be read, or whose frames cannot be written
"""


class ColorzooError(Exception):
    """Base of all errors that zoo, training and serving raise on purpose.

    The text is one line: what was wrong, with which file or argument, and what would be right.
    """


class UnknownNameError(ColorzooError):
    """No model, preset or recipe has this name; the text lists those that exist."""


class ArgumentError(ColorzooError):
    """An argument lies outside its range."""


class PresetError(ColorzooError):
    """A preset file, or another file of weights, cannot be read, or a preset differs from its row of metadata."""


class DataError(ColorzooError):
    """A folder of photographs cannot be used for training or evaluation."""


class TrainingError(ColorzooError):
    """A training run cannot start, or cannot go on."""


class PhotographError(ColorzooError):
    """One photograph cannot be read or written."""


class FilmError(ColorzooError):
    """One film cannot be read, or its frames cannot be written."""
