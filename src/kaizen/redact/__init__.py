"""What may leave the machine, in which form: default deny first (`schema`), scrubbing second (`scrub`), and a last look
at the final bytes (`guard`).

`hashes` salted hashes | `schema` the allowed keys | `features` what replaces a payload | `scrub` text | `engine` rules
"""
