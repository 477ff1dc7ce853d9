"""The commands of `pipeline-assets env`."""
