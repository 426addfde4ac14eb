# What this example changes in the config.json of `runc spec`: no terminal, a command, no seccomp profile of
# runc's own (what that denies would never reach Warder), and the hook.
.process.terminal = false
| .process.args = ["sh", "-c", "mkdir /tmp/new && echo made; unshare -U true && echo unshared; exit 0"]
| .root.readonly = false
| del(.linux.seccomp)
| .hooks.prestart = [{ path: $hook, args: ["warder-hook", "--socket", $socket] }]
