"""The documentation as pages of a site: what mkdocs cannot read from ``docs/`` by itself.

``mkdocs.yml`` names :mod:`pipeline_assets.command.site.hooks`. It adds a page for each dataset, a
reference of the commands, plots of the benchmarks, and draws diagrams without the internet.
"""
