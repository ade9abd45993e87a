//! What every integration test needs: the binary and a folder of its own.
#![allow(dead_code)]
