"""Streams: the records of Kinesis, read in sealed batches and put into the landing zone."""
