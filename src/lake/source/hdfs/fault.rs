//! Errors of hdfs-native as one readable line each, with what to do: no Java stack traces, no dumps of messages.

use std::time::Duration;

use hdfs_native::HdfsError;

use crate::lake::source::{SourceError, SourceFault};

/// Longest text that is taken over from a server, in characters.
const MAX_TEXT_CHARS: usize = 300;

const KERBEROS_ADVICE: &str = "get a ticket with kinit (klist shows it), give --keytab and --principal, or a delegation token of this NameNode in HADOOP_TOKEN_FILE_LOCATION; the cluster's configuration comes from --hadoop-conf";

/// What `error` of `server` means.
pub(crate) fn explain(error: &HdfsError, server: &str) -> SourceError {
    match error {
        HdfsError::FileNotFound(_) => missing(),
        HdfsError::RPCError(class, text) | HdfsError::FatalRPCError(class, text) => rpc(class, text, server),
        HdfsError::IOError(error) => {
            let text = error.to_string();
            let advice = match text.contains("lookup") {
                true => {
                    "check the host name; for a nameservice give the cluster's configuration with --hadoop-conf or HADOOP_CONF_DIR"
                }
                false => {
                    "check host and port (the RPC port of a NameNode is often 8020 or 9000, not the 9870 of its web pages) and that it runs"
                }
            };
            SourceError::new(SourceFault::Transient, format!("the NameNode of {server} cannot be reached: {text}"))
                .advise(advice)
        }
        HdfsError::GSSAPIError(_, _, text) => kerberos(text),
        HdfsError::SASLError(text) => kerberos(text),
        HdfsError::NoSASLMechanism => kerberos("the server offers no way to log in that this client knows"),
        HdfsError::UnsupportedErasureCodingPolicy(policy) => SourceError::new(
            SourceFault::Unsupported,
            format!("uses the erasure coding policy {policy}, which cannot be read"),
        )
        .advise("copy it to a folder with replication or an RS policy"),
        HdfsError::UnsupportedFeature(text) if text.contains("encryption zone") => {
            SourceError::new(SourceFault::Unsupported, "lies in an encryption zone, which cannot be read")
                .advise("copy it to a folder outside of the zone")
        }
        HdfsError::InvalidArgument(text) if text.contains("No NameNode hosts") => SourceError::new(
            SourceFault::Misconfigured,
            format!("{server} is not a nameservice of the Hadoop configuration"),
        )
        .advise("give the cluster's configuration with --hadoop-conf or HADOOP_CONF_DIR, or name host and port"),
        HdfsError::ChecksumError | HdfsError::DataTransferError(_) | HdfsError::InvalidRPCResponse(_) => {
            SourceError::new(SourceFault::Transient, one_line(&error.to_string()))
        }
        _ => SourceError::new(SourceFault::Permanent, one_line(&error.to_string())),
    }
}

/// What `error` means that ended a stream at byte `position` of its file.
pub(crate) fn explain_block(error: &HdfsError, server: &str, position: u64) -> SourceError {
    let advice = "see which replicas live with `hdfs fsck PATH -files -blocks -locations`; where DataNodes are only known by name, give --datanode-hostname";
    match error {
        HdfsError::DataTransferError(text) if text.starts_with("All DataNodes failed") => {
            let nodes = datanodes(text);
            let what = match nodes.is_empty() {
                true => format!("the block at byte {position} has no live replica"),
                false => format!("no DataNode delivers the block at byte {position}; tried {}", nodes.join(", ")),
            };
            SourceError::new(SourceFault::Transient, what).advise(advice)
        }
        HdfsError::ChecksumError => SourceError::new(
            SourceFault::Transient,
            format!("the block at byte {position} is damaged in every replica that was tried"),
        )
        .advise(advice),
        HdfsError::IOError(error) => {
            SourceError::new(SourceFault::Transient, format!("reading the block at byte {position} failed: {error}"))
                .advise(advice)
        }
        _ => explain(error, server),
    }
}

/// A server that says nothing.
pub(crate) fn silent(server: &str, limit: Duration) -> SourceError {
    SourceError::new(
        SourceFault::Transient,
        format!("the NameNode of {server} gave no answer within {} s", limit.as_secs()),
    )
    .advise("check that it runs and that host and port are right, then run again")
}

/// A stream without data.
pub(crate) fn stalled(position: u64, limit: Duration) -> SourceError {
    SourceError::new(SourceFault::Transient, format!("no data came for {} s at byte {position}", limit.as_secs()))
        .advise("check the DataNodes and the network, then run again")
}

fn missing() -> SourceError {
    SourceError::new(SourceFault::Missing, "no such file or folder")
        .advise("check the path, which starts at the root of the file system")
}

fn kerberos(text: &str) -> SourceError {
    SourceError::new(SourceFault::Denied, format!("Kerberos: {}", one_line(text))).advise(KERBEROS_ADVICE)
}

fn rpc(class: &str, text: &str, server: &str) -> SourceError {
    let name = class.rsplit(['.', '$']).next().unwrap_or(class);
    let text = one_line(text);
    match name {
        "FileNotFoundException" => missing(),
        "AccessControlException" | "AuthorizationException"
            if text.contains("SIMPLE authentication is not enabled") =>
        {
            SourceError::new(SourceFault::Denied, format!("{server} wants Kerberos, and none is configured"))
                .advise(KERBEROS_ADVICE)
        }
        "AccessControlException" | "AuthorizationException" => {
            let text = text.strip_prefix("Permission denied: ").unwrap_or(&text);
            SourceError::new(SourceFault::Denied, format!("permission denied: {text}"))
                .advise("ask the owner for the right to read it, or give another user with --hdfs-user")
        }
        "InvalidToken" | "SaslException" | "GSSException" => kerberos(&text),
        "StandbyException" => SourceError::new(SourceFault::Transient, format!("no NameNode of {server} is active"))
            .advise("wait for the failover, or see `hdfs haadmin -getAllServiceState`"),
        "SafeModeException" => SourceError::new(SourceFault::Transient, format!("{server} is in safe mode: {text}"))
            .advise("wait until it has left it (`hdfs dfsadmin -safemode wait`), then run again"),
        _ if text.contains("safe mode") => {
            SourceError::new(SourceFault::Transient, format!("{server} is in safe mode: {text}"))
                .advise("wait until it has left it (`hdfs dfsadmin -safemode wait`), then run again")
        }
        _ => SourceError::new(SourceFault::Transient, format!("{server} answered {name}: {text}")),
    }
}

/// The first line of `text`, cut to a readable length.
fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    match line.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// The addresses in the dump of DataNodes that hdfs-native puts into its message.
fn datanodes(text: &str) -> Vec<String> {
    let field = |text: &str, name: &str| {
        let value = text.split_once(name)?.1.trim_start_matches([':', ' ', '"']);
        Some(value[..value.find(['"', ',', ' ', '}'])?].to_owned())
    };
    let node = |text: &str| Some(format!("{}:{}", field(text, "ip_addr")?, field(text, "xfer_port")?));
    text.split("DatanodeIdProto").skip(1).filter_map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc_error(class: &str, text: &str) -> HdfsError {
        HdfsError::RPCError(class.to_owned(), text.to_owned())
    }

    #[test]
    fn errors_are_one_readable_line() {
        let check = |error: HdfsError, fault: SourceFault, what: &str| {
            let explained = explain(&error, "hdfs://nn:9000");
            assert_eq!((explained.kind, explained.what.as_str()), (fault, what));
        };
        let trace = "File does not exist: /x\n\tat org.apache.hadoop.hdfs.server.namenode.INodeFile.valueOf(INodeFile.java:87)\n";
        check(rpc_error("java.io.FileNotFoundException", trace), SourceFault::Missing, "no such file or folder");
        check(
            rpc_error(
                "org.apache.hadoop.security.AccessControlException",
                "Permission denied: user=eve, access=READ, inode=\"/x\":hdfs:hdfs:-rw-------\n\tat org.apache",
            ),
            SourceFault::Denied,
            "permission denied: user=eve, access=READ, inode=\"/x\":hdfs:hdfs:-rw-------",
        );
        check(
            rpc_error(
                "org.apache.hadoop.security.AccessControlException",
                "SIMPLE authentication is not enabled.  Available:[TOKEN, KERBEROS]",
            ),
            SourceFault::Denied,
            "hdfs://nn:9000 wants Kerberos, and none is configured",
        );
        check(
            rpc_error(
                "org.apache.hadoop.ipc.StandbyException",
                "Operation category READ is not supported in state standby",
            ),
            SourceFault::Transient,
            "no NameNode of hdfs://nn:9000 is active",
        );
        check(
            HdfsError::IOError(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
            SourceFault::Transient,
            "the NameNode of hdfs://nn:9000 cannot be reached: connection refused",
        );
        check(
            rpc_error("a.b.C$Odd", &"x".repeat(1000)),
            SourceFault::Transient,
            &format!("hdfs://nn:9000 answered Odd: {}…", "x".repeat(300)),
        );
        check(rpc_error("a.b.Odd", "\n \n"), SourceFault::Transient, "hdfs://nn:9000 answered Odd: no reason given");
    }

    #[test]
    fn a_block_without_replicas_names_its_nodes() {
        let dump = "All DataNodes failed: [DatanodeInfoProto { id: DatanodeIdProto { ip_addr: \"10.0.0.1\", host_name: \"a\", datanode_uuid: \"u\", xfer_port: 9866, info_port: 9864 } }, DatanodeInfoProto { id: DatanodeIdProto { ip_addr: \"10.0.0.2\", host_name: \"b\", xfer_port: 9867 } }]";
        let check = |text: &str, what: &str| {
            let error = HdfsError::DataTransferError(text.to_owned());
            assert_eq!(explain_block(&error, "hdfs://nn", 16).what, what);
        };
        check(dump, "no DataNode delivers the block at byte 16; tried 10.0.0.1:9866, 10.0.0.2:9867");
        check("All DataNodes failed: []", "the block at byte 16 has no live replica");
        check("something else\nmore", "data transfer error: something else");
    }
}
