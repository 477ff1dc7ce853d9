"""Listening data: who listened to whom how often, and what that says of the artists."""
