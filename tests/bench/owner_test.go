//go:build unix

package bench

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// ownerOf is the user ID of a file's owner.
func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// asOwner runs a command as the owner of a file, if it may.
func asOwner(cmd *exec.Cmd, info fs.FileInfo) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ownerOf(info), Gid: info.Sys().(*syscall.Stat_t).Gid}}
	}
}
