"""The one error type whose message is written for the person at the keyboard."""


class PipelineError(Exception):
    """A mistake or fault outside the code, told in one line with its fix.

    Raised for bad input, wrong settings and unreachable services. The command line prints it
    without a stack trace; inside a run it becomes a Dagster failure that is not retried.
    """
