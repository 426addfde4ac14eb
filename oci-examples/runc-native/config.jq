# What this example changes in the config.json of `runc spec`: no terminal, a command, and a seccomp profile
# with SCMP_ACT_NOTIFY whose listener runc itself hands to warderd. listenerMetadata names the policy.
.process.terminal = false
| .process.args = ["sh", "-c", "mkdir /tmp/new && echo made; unshare -U true && echo unshared; exit 0"]
| .root.readonly = false
| .linux.seccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    listenerPath: $socket,
    listenerMetadata: "default",
    syscalls: [{ names: ["mkdir", "mkdirat", "unshare", "setns"], action: "SCMP_ACT_NOTIFY" }]
  }
