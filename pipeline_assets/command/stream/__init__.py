"""What the command does about a stream: it reads it before an update, and puts samples into it."""
