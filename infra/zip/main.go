// Command zip packs the staged app as Azure wants it, on any system: its files at the root of the archive, and the
// handler with its execute bit, which the host can't set on the read-only package and archives made on Windows lack.
//
//	go run ./infra/zip FOLDER FILE.zip
package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: zip FOLDER FILE.zip")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "zip:", err)
		os.Exit(1)
	}
}

// program is the file that host.json names as the handler's.
const program = "handler"

// write packs a folder into a file, which is gone again if that fails.
func write(folder, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	err = pack(os.DirFS(folder), out)
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// pack writes every file of a folder. The same files make the same archive, whenever and wherever it is made.
func pack(folder fs.FS, out *os.File) error {
	if _, err := fs.Stat(folder, program); err != nil {
		return fmt.Errorf("the folder holds no staged app: %w", err)
	}
	archive := zip.NewWriter(out)
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return add(archive, folder, name)
	})
	return errors.Join(err, archive.Close())
}

// packed is the time of every entry: a constant, at which zip's own calendar begins.
var packed = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func add(archive *zip.Writer, folder fs.FS, name string) error {
	content, err := fs.ReadFile(folder, name)
	if err != nil {
		return err
	}
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: packed}
	header.SetMode(0o644)
	if name == program {
		header.SetMode(0o755)
	}
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = entry.Write(content)
	return err
}
