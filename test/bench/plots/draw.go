package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"eventstore/test/bench/report"
)

// colours are told apart by those who see them otherwise too (Okabe and Ito), and on white; shapes tell the lines apart
// in print.
var colours = []color.Color{
	color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff},
	color.RGBA{R: 0x00, G: 0x00, B: 0x00, A: 0xff}, color.RGBA{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff},
	color.RGBA{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff}, color.RGBA{R: 0x80, G: 0x60, B: 0x20, A: 0xff},
}

var shapes = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{}, draw.RingGlyph{}, draw.BoxGlyph{}}

const (
	width, height = 22 * vg.Centimeter, 12 * vg.Centimeter
	few           = 40 // up to so many points, each has a mark
)

// drawTo draws a plot as folder/name.svg: on white, so that it can be read on a dark page too.
func drawTo(folder string, p report.Plot) error {
	picture, err := drawn(p)
	if err != nil {
		return fmt.Errorf("drawing %s: %w", p.Name, err)
	}
	canvas := vgsvg.New(width, height)
	whole := draw.New(canvas)
	whole.FillPolygon(color.White, []vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}})
	picture.Draw(draw.Crop(whole, 3*vg.Millimeter, -5*vg.Millimeter, 3*vg.Millimeter, -3*vg.Millimeter))
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, p.Name+".svg"), bytes.ReplaceAll(text.Bytes(), []byte(drawnWith), []byte(shownWith)), 0o644)
}

// A reader's machine may lack the font that a picture is laid out with; those after it have the same widths.
const (
	drawnWith = "font-family:Liberation Sans;"
	shownWith = "font-family:Liberation Sans,Arial,Helvetica,sans-serif;"
)

func drawn(p report.Plot) (*plot.Plot, error) {
	picture := plot.New()
	picture.BackgroundColor = color.White
	picture.Title.Text = p.Title
	picture.Title.Padding = 4 * vg.Millimeter
	for _, style := range []*font.Font{&picture.Title.TextStyle.Font, &picture.Legend.TextStyle.Font, &picture.X.Label.TextStyle.Font,
		&picture.Y.Label.TextStyle.Font, &picture.X.Tick.Label.Font, &picture.Y.Tick.Label.Font} {
		style.Variant, style.Size = "Sans", 11
	}
	picture.Title.TextStyle.Font.Size = 14
	picture.Legend.Top, picture.Legend.Left, picture.Legend.Padding = true, true, 1*vg.Millimeter
	picture.Legend.XOffs, picture.Legend.YOffs = 3*vg.Millimeter, -2*vg.Millimeter
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{Y: 0xdd}, color.Gray{Y: 0xee}
	picture.Add(grid)
	for i, line := range p.Lines {
		if err := add(picture, p, line, i); err != nil {
			return nil, err
		}
	}
	axis(&picture.X, p.X)
	axis(&picture.Y, p.Y)
	room(picture, p)
	return picture, nil
}

// add adds one line, with a mark at each point where there are few.
func add(picture *plot.Plot, p report.Plot, line report.Line, i int) error {
	var points plotter.XYs
	for _, point := range line.Points {
		if (p.X.Logarithmic && point[0] <= 0) || (p.Y.Logarithmic && point[1] <= 0) {
			continue // a logarithmic axis has no place for it
		}
		points = append(points, plotter.XY{X: point[0], Y: point[1]})
	}
	if len(points) == 0 {
		return nil
	}
	curve, marks, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	curve.Color, curve.Width = colours[i%len(colours)], vg.Points(1.8)
	marks.Color, marks.Shape, marks.Radius = curve.Color, shapes[i%len(shapes)], vg.Points(3.5)
	if len(points) > few {
		picture.Add(curve)
		picture.Legend.Add(line.Name, curve)
		return nil
	}
	picture.Add(curve, marks)
	picture.Legend.Add(line.Name, curve, marks)
	return nil
}

func axis(a *plot.Axis, of report.Axis) {
	a.Label.Text, a.Label.Padding = of.Label, 2*vg.Millimeter
	a.Tick.Marker = ticks{of.Logarithmic}
	if !of.Logarithmic {
		a.Min = 0
		return
	}
	a.Scale = plot.LogScale{}
	if a.Min > a.Max { // nothing is on it
		a.Min, a.Max = 1, 1
	}
	if a.Min == a.Max {
		a.Max = 10 * a.Min
	}
}

// room leaves the legend room above the lines.
func room(picture *plot.Plot, p report.Plot) {
	lines := float64(len(p.Lines))
	if !p.Y.Logarithmic {
		picture.Y.Max *= 1.1 + 0.075*lines
		return
	}
	picture.Y.Min = math.Pow(10, math.Floor(math.Log10(picture.Y.Min)))
	decades := math.Log10(picture.Y.Max / picture.Y.Min)
	picture.Y.Max *= math.Pow(10, decades*(0.08+0.075*lines))
}
