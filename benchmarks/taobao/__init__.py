"""Side-by-side timings of the Taobao domain."""
