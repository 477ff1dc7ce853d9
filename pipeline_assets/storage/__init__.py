"""Object storage: a folder or S3 behind one protocol."""
