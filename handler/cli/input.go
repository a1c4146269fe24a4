package cli

import (
	"io"
	"os"
)

// OpenInput opens a file that is named on the command line, or standard input for "-". size is its bytes, for a progress bar;
// 0 where that is not known. The caller closes it; standard input stays open.
func OpenInput(stdin io.Reader, name string) (input io.ReadCloser, size int64, err error) {
	if name == "-" {
		return io.NopCloser(stdin), 0, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	if info, err := file.Stat(); err == nil {
		size = info.Size()
	}
	return file, size, nil
}
