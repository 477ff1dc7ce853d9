"""What runs by itself (sensors, policies, alerts, schedules) and the deployment's parts."""
