"""Learning kernels, and the registry of job kinds that an engine is given.

A kernel learns from columns that the job names. It knows no domain and no engine's insides.
"""
