package fs

import "io/fs"

// Fault fails a call on an open file, by the name of its method; nil lets it pass.
type Fault func(call string) error

// Break has every file that is opened from now on fail as fault says.
func (f *Files) Break(fault Fault) {
	open := f.open
	f.open = func(name string) (file, error) {
		opened, err := open(name)
		if err != nil {
			return nil, err
		}
		return &breaking{opened, fault}, nil
	}
}

// breaking is a file whose calls fail. A write that fails has written half of its data.
type breaking struct {
	file  file
	fault Fault
}

func (b *breaking) ReadAt(p []byte, offset int64) (int, error) { return b.file.ReadAt(p, offset) }
func (b *breaking) Stat() (fs.FileInfo, error)                 { return b.file.Stat() }
func (b *breaking) Close() error                               { return b.file.Close() }

func (b *breaking) WriteAt(p []byte, offset int64) (int, error) {
	if err := b.fault("WriteAt"); err != nil {
		n, _ := b.file.WriteAt(p[:len(p)/2], offset)
		return n, err
	}
	return b.file.WriteAt(p, offset)
}

func (b *breaking) Sync() error {
	if err := b.fault("Sync"); err != nil {
		return err
	}
	return b.file.Sync()
}

func (b *breaking) Truncate(size int64) error {
	if err := b.fault("Truncate"); err != nil {
		return err
	}
	return b.file.Truncate(size)
}
