"""The one exception for input that a person can mend."""


class InputError(ValueError):
    """Bad input: a wrong name, shape, file or value. Its message says what was found and what to do.

    `launch.py` prints the message as one sentence and exits with status 2; any other exception is a
    defect of geojax and keeps its traceback.
    """
