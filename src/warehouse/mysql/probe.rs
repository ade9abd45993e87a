//! What `viewmart doctor` asks of a MySQL warehouse before any work is done.
