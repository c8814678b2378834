"""Set a profile up for engines beyond this machine: what is asked, what is written, and a test.

`answers` is what is asked for each launcher, `job_scripts` and `profile_files` what is written of
it into the profile's own configuration files, `trial` the test with one engine. The command
``parallelflow setup`` and the window's form are its two faces.
"""
