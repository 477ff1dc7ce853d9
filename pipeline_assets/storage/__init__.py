"""Objects in a folder or on S3, behind one protocol."""
