"""What may leave the machine, and in which words.

    hashes      ids and paths as hashes with the team's salt
    schema      level `metrics`: the only keys and values there are
    features    numbers and classes made of a payload before it is dropped
    vocabulary  the words that may pass in clear text
    scrub       level `scrubbed`: texts without secrets, paths and names
    guard       the last look at the exact bytes
"""
