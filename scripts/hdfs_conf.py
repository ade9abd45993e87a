"""What the processes of scripts/hdfs are told: where a cluster lies, its ports, and its configuration files."""

import getpass
import os
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("HDFS_HOME") or ROOT / "target" / "hdfs").absolute()
CLUSTER = HOME / (os.environ.get("HDFS_CLUSTER") or "main")
PORT = int(os.environ.get("HDFS_PORT") or 19000)
CONF, LOGS, RUN, DATA = CLUSTER / "conf", CLUSTER / "log", CLUSTER / "run", CLUSTER / "data"
KDC_PORT = PORT + 50
REALM = "VIEWMART.TEST"

LOG4J = """\
log4j.rootLogger=WARN,console
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n
"""


def rpc_port(n):
    return PORT + 2 * (n - 1)


def http_port(n):
    return PORT + 2 * (n - 1) + 1


def datanode_port(n):
    return PORT + 10 + 3 * n


def write_xml(path, properties):
    lines = [
        f"  <property><name>{key}</name><value>{escape(str(value))}</value></property>"
        for key, value in properties.items()
    ]
    path.write_text("\n".join(['<?xml version="1.0"?>', "<configuration>", *lines, "</configuration>", ""]))


def core_site(flags, host):
    core = {
        "fs.defaultFS": "hdfs://ns" if flags.ha else f"hdfs://{host}:{rpc_port(1)}",
        "hadoop.tmp.dir": CLUSTER / "tmp",
    }
    if flags.kerberos:
        user = getpass.getuser()
        core |= {
            "hadoop.security.authentication": "kerberos",
            "hadoop.security.authorization": "true",
            "hadoop.rpc.protection": flags.kerberos,
            "hadoop.security.auth_to_local": f"RULE:[2:$1/$2@$0](.*/localhost@{REALM})s/.*/{user}/ "
            f"RULE:[1:$1@$0](.*@{REALM})s/@.*// DEFAULT",
        }
    return core


def namenode_sites(flags, host):
    if not flags.ha:
        return {
            "dfs.namenode.rpc-address": f"{host}:{rpc_port(1)}",
            "dfs.namenode.http-address": f"127.0.0.1:{http_port(1)}",
            "dfs.namenode.name.dir": f"file://{DATA / 'nn1'}",
        }
    sites = {"dfs.nameservices": "ns", "dfs.ha.namenodes.ns": "nn1,nn2"}
    for n in [1, 2]:
        sites |= {
            f"dfs.namenode.rpc-address.ns.nn{n}": f"{host}:{rpc_port(n)}",
            f"dfs.namenode.http-address.ns.nn{n}": f"127.0.0.1:{http_port(n)}",
            f"dfs.namenode.name.dir.ns.nn{n}": f"file://{DATA / f'nn{n}'}",
        }
    return sites | {
        "dfs.namenode.shared.edits.dir": f"file://{DATA / 'shared'}",
        "dfs.ha.fencing.methods": "shell(/bin/true)",
        "dfs.ha.automatic-failover.enabled": "false",
        "dfs.ha.tail-edits.period": "1s",
        "dfs.client.failover.proxy.provider.ns": (
            "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"
        ),
    }


def kerberos_sites(protection):
    keytab = CLUSTER / "keytab"
    return {
        "dfs.namenode.kerberos.principal": f"nn/localhost@{REALM}",
        "dfs.namenode.keytab.file": keytab,
        "dfs.datanode.kerberos.principal": f"dn/localhost@{REALM}",
        "dfs.datanode.keytab.file": keytab,
        "dfs.web.authentication.kerberos.principal": f"HTTP/localhost@{REALM}",
        "dfs.web.authentication.kerberos.keytab": keytab,
        "dfs.block.access.token.enable": "true",
        "dfs.data.transfer.protection": protection,
        "dfs.encrypt.data.transfer.cipher.suites": "AES/CTR/NoPadding",
        "dfs.http.policy": "HTTP_ONLY",
        "ignore.secure.ports.for.testing": "true",
    }


def write_conf(flags):
    host = "localhost" if flags.kerberos else "127.0.0.1"
    CONF.mkdir(parents=True, exist_ok=True)
    (CONF / "log4j.properties").write_text(LOG4J)
    write_xml(CONF / "core-site.xml", core_site(flags, host))
    hdfs = {
        "dfs.replication": flags.replication,
        "dfs.blocksize": flags.block_size,
        "dfs.namenode.fs-limits.min-block-size": 4096,
        "dfs.permissions.enabled": "true",
        "dfs.namenode.safemode.extension": 0,
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.heartbeat.interval": 1,
        "dfs.namenode.heartbeat.recheck-interval": 1000,
        "dfs.datanode.data.read.bandwidthPerSec": flags.throttle,
        "dfs.namenode.handler.count": 4,
    }
    hdfs |= namenode_sites(flags, host)
    if flags.kerberos:
        hdfs |= kerberos_sites(flags.kerberos)
    write_xml(CONF / "hdfs-site.xml", hdfs)


def krb5_conf():
    return f"""\
[libdefaults]
  default_realm = {REALM}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {REALM} = {{
    kdc = 127.0.0.1:{KDC_PORT}
  }}
[domain_realm]
  localhost = {REALM}
"""


def kdc_conf():
    return f"""\
[kdcdefaults]
  kdc_listen = 127.0.0.1:{KDC_PORT}
  kdc_tcp_listen = 127.0.0.1:{KDC_PORT}
[realms]
  {REALM} = {{
    database_name = {CLUSTER / 'principal'}
    key_stash_file = {CLUSTER / 'stash'}
    acl_file = {CLUSTER / 'acl'}
  }}
"""
