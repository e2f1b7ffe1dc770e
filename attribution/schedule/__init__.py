"""The schedule: a week that runs itself, and reports that leave only when they may.

It reads from the bottom up: `slots` says when something is due, `plans` what is to be sent,
`facts` and `gate` whether what is published is fresh enough, `sending` sends once, `alerts` tells
of what went wrong, `week` does all that is due at one moment, `running` waits for the next.
"""
