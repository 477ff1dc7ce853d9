"""What a correct pipeline must find in landing files, worked out in plain Python.

Each module reads what `pipeline_assets.sample` wrote and imports nothing of the code that is tested
against it, so that the two can only agree by both being right.
"""
