"""What travels: shapes and codecs without any I/O."""
