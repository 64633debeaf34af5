package httpapi

import "github.com/cloakroom-auth/cloakroom/internal/letters"

// listUserFactors lists what a user can sign in with besides a password.
func listUserFactors(c *call, _ none) (factorsOut, error) {
	u, err := c.pathUser()
	if err != nil {
		return factorsOut{}, err
	}
	return c.factorsOf(u)
}

// removeUserFactors removes all of a user's factors, and ends all of the user's sessions and tokens.
func removeUserFactors(c *call, _ none) (none, error) {
	if _, err := c.factors(); err != nil {
		return none{}, err
	}
	u, err := c.pathUser()
	if err != nil {
		return none{}, err
	}
	removed, err := c.admin().RemoveFactors(c.ctx(), u)
	if removed {
		c.notifyFor(u, letters.FactorRemoved)
	}
	if err != nil {
		return none{}, err
	}
	if c.api.Steps.LookAgain { // no epoch has ended them
		_, err = c.endWithoutEpoch(c.ctx(), u, nil)
	}
	return none{}, err
}
