package physical

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// defaultOwner is who PostgreSQL's packages run the server as. It does not start as root.
const defaultOwner = "postgres"

// owner is whom everything that is written belongs to.
type owner struct {
	uid, gid int
	give     bool // it has to be given to them: it is not ours by itself
}

// findOwner reads "user[:group]". Nothing given means postgres for root, and for
// others themselves.
func findOwner(text string, euid int) (owner, error) {
	if text == "" {
		if euid != 0 {
			return owner{uid: euid, gid: os.Getegid()}, nil
		}
		own, err := parseOwner(defaultOwner)
		if err != nil {
			return owner{}, fmt.Errorf("option \"owner\": this is root, as whom PostgreSQL does not start: %w\nhint: give the user that runs the server, like owner=999:999", err)
		}
		return own, nil
	}
	own, err := parseOwner(text)
	switch {
	case err != nil:
		return owner{}, fmt.Errorf("option \"owner\": %w: use user or user:group, by name or number", err)
	case euid == 0 && own.uid == 0:
		return owner{}, errors.New("option \"owner\": PostgreSQL does not start as root: give the user that runs the server")
	case euid == 0:
		return own, nil
	case own.uid != euid:
		return owner{}, fmt.Errorf("option \"owner\": only root can give files to %q: leave it out, or restore as root", text)
	}
	groups, err := os.Getgroups()
	if err != nil {
		return owner{}, fmt.Errorf("option \"owner\": %w", err)
	}
	if own.gid != os.Getegid() && !slices.Contains(groups, own.gid) {
		return owner{}, fmt.Errorf("option \"owner\": you are not in the group of %q: leave it out, or restore as root", text)
	}
	return own, nil
}

func parseOwner(text string) (owner, error) {
	name, group, grouped := strings.Cut(text, ":")
	own := owner{gid: -1, give: true}
	number, numberErr := parseID(name)
	found, err := user.Lookup(name)
	if err != nil && numberErr == nil {
		found, err = user.LookupId(name)
	}
	if err != nil {
		found = nil
	}
	switch {
	case found != nil:
		own.uid, err = parseID(found.Uid)
		if err == nil {
			own.gid, err = parseID(found.Gid)
		}
		if err != nil {
			return owner{}, err
		}
	case numberErr != nil:
		return owner{}, fmt.Errorf("there is no user %q", name)
	case !grouped:
		return owner{}, fmt.Errorf("there is no user with the number %d, whose group could be taken: give it as well, like %d:%d", number, number, number)
	default:
		own.uid = number
	}
	if !grouped {
		return own, nil
	}
	if found, err := user.LookupGroup(group); err == nil {
		own.gid, err = parseID(found.Gid)
		return own, err
	}
	if own.gid, err = parseID(group); err != nil {
		return owner{}, fmt.Errorf("there is no group %q", group)
	}
	return own, nil
}

// parseID reads a user's or group's number.
func parseID(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err // #nosec G115 -- of 32 bits
}

// giveFile gives an open file to the owner.
func (o owner) giveFile(f *os.File) error {
	if !o.give {
		return nil
	}
	return f.Chown(o.uid, o.gid)
}

// giveIn gives an entry of root to the owner, a link itself.
func (o owner) giveIn(root *os.Root, name string) error {
	if !o.give {
		return nil
	}
	return root.Lchown(name, o.uid, o.gid)
}
