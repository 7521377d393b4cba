"""The errors a user can mend: each says what was found, what was expected, where, and what to do."""


class AtlasError(Exception):
    """Base of all errors that are the user's to mend; its text is complete without a traceback."""


class ConfigurationError(AtlasError):
    """The study's configuration cannot be carried out as written."""


class DatasetError(AtlasError):
    """A dataset's files are not what its adapter expects."""


class CheckpointError(AtlasError):
    """A checkpoint is missing, damaged, of another architecture, or not safe to read."""


class CodeVersionError(AtlasError):
    """Code that can change results was edited without declaring whether results change."""


class LegitimateFailure(Exception):
    """A run that failed for a reason that is itself a result (diverged, no class present).

    The reason becomes a row of the tables with its status; the study goes on.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
