"""What `sample` does: landing files in a folder, or events in the stream that settings name."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_assets.command.session import Session
from pipeline_assets.errors import PipelineError
from pipeline_assets.sample import write_samples
from pipeline_assets.sample.activity.stream import put_events


@dataclass(frozen=True)
class SampleOrder:
    """The options of `sample`; the command's own help explains them."""

    out: Path | None
    scale: float
    seed: int
    damage: float
    end: datetime
    stream: bool
    rate: float
    seconds: float


def carry_out(session: Session, order: SampleOrder) -> str:
    """Write samples; what was written, in a line.

    Raises:
        PipelineError: It is not said where to, or samples cannot be written there.
    """
    if order.stream:
        return _stream(session, order)
    if order.out is None:
        raise PipelineError("Say where the samples go: --out FOLDER for files, or --stream")
    write_samples(order.out, order.scale, order.seed, order.damage, end=order.end.date())
    return f"landing files: {order.out}"


def _stream(session: Session, order: SampleOrder) -> str:
    """Put events at a rate.

    A stream is only created on an endpoint that is not Amazon's, where it costs nothing.

    Raises:
        PipelineError: No stream is set, or Kinesis refuses.
    """
    settings = session.settings
    stream = session.deployment.stream
    if stream is None or not stream.name:
        raise PipelineError("PIPELINE_STREAM_NAME is not set; it names the stream to put events in")
    try:
        client = session.deployment.stream_access.client("kinesis")
        if settings.stream_endpoint_url and stream.name not in client.list_streams()["StreamNames"]:
            client.create_stream(StreamName=stream.name, ShardCount=2)
            client.get_waiter("stream_exists").wait(StreamName=stream.name)
        put = put_events(client, stream.name, order.rate, order.seconds, order.seed)
    except (BotoCoreError, ClientError) as error:
        raise PipelineError(f"Kinesis stream {stream.name}: {error}") from error
    return f"stream {stream.name}: {put:,} events"
