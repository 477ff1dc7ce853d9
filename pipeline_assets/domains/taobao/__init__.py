"""Ali-CCP: click and conversion logs of Taobao with their features."""
