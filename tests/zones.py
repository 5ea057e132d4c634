"""Zones of every kind: half and quarter hours, midnight changes, southern summers, no summer at all, the date line."""

ZONES = [
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Los_Angeles",
    "America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Havana", "America/Asuncion",
    "America/Caracas", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Beirut", "Asia/Gaza", "Asia/Tokyo",
    "Africa/Cairo", "Africa/Casablanca", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Auckland",
    "Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati", "Atlantic/Azores", "Antarctica/Troll",
]
