package commands

// Waiting is how many publishes to a topic wait for their turn.
func (p *Publisher) Waiting(topic string) int {
	p.mu.RLock()
	c := p.committers[topic]
	p.mu.RUnlock()
	if c == nil {
		return 0
	}
	c.queueing.Lock()
	defer c.queueing.Unlock()
	return len(c.queue)
}
