"""Environments: the lake once more, to change code in, without copying or touching production.

An environment is a lake within the folder of the lake. Its tables are clones: metadata of their
own that names the data files of production. What is published in the environment lies in its own
folder, and only `promote` brings it to production.
"""
