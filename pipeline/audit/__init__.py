"""Who did what: an append-only log that shows when it was edited. No gRPC here.

==============  =======================================================================================
entry           one record, and its line
merkle          the tree over all lines (RFC 6962, section 2.1)
checkpoint      signed heads of the tree (C2SP tlog-checkpoint, signed-note), proofs (C2SP tlog-proof)
log             the files: appended and flushed to disk, one segment a month
service         the log for one event loop: records of one moment share one flush
verify          recomputes everything and names the first record that does not fit
ocsf            records in the words of the Open Cybersecurity Schema Framework, for a SIEM
==============  =======================================================================================
"""
