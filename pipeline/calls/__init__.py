"""The domain: what a call is, what goes into it, what comes out of it, and who may ask for it. Pure.

========== =================================================================================
info       whose call it is, and how its audio is coded
messages   what goes in: audio and control, in one ordered stream
events     what comes out, numbered
codec      events as bytes and back, for memory, disk and wire between nodes
controls   what is in force at each sample of a call
log        CallLog: the events of one call, read from a cursor
directory  CallDirectory: which calls there are; commands to them
commands   what others ask of a live call
overview   one compact row a call, for people who watch many
========== =================================================================================
"""
