"""The `pipeline-assets` command and the demo.

They may import every other room; no room imports them.
"""
