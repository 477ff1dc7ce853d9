"""Publishes as events of OpenLineage, for catalogs and observers of other vendors."""
