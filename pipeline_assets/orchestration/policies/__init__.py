"""What holds for a whole selection of assets: freshness, completeness, automation, pools."""
