"""The `pipeline-assets` command and the demo: everything that a person types ends up here.

This folder may import every other one, and none imports it.
"""
