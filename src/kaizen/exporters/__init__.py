"""Where copies of outbound items go besides the hub: one file for each type of destination."""
