// Package v20170312 stands in for a cloud SDK module that cannot be had through the Go module
// proxy. It has just the names that flannel's tencent-vpc backend compiles against; every call
// fails, so that backend says so when it is chosen, and all other backends are untouched.
package v20170312

import "errors"

var errStandIn = errors.New("this flannel was built without the tencent-vpc backend")

// Filter selects objects by name and values.
type Filter struct {
	Name   *string
	Values []*string
}

// Route is one entry of a route table.
type Route struct {
	RouteId              *uint64
	DestinationCidrBlock *string
	GatewayType          *string
	GatewayId            *string
	RouteType            *string
	Enabled              *bool
}

// RouteTable holds routes.
type RouteTable struct {
	RouteTableId *string
	RouteSet     []*Route
}

// DescribeRouteTablesRequest asks for route tables.
type DescribeRouteTablesRequest struct{ Filters []*Filter }

// DescribeRouteTablesResponse would hold them.
type DescribeRouteTablesResponse struct {
	Response struct{ RouteTableSet []*RouteTable }
}

// DeleteRoutesRequest names routes to delete.
type DeleteRoutesRequest struct {
	RouteTableId *string
	Routes       []*Route
}

// CreateRoutesRequest names routes to make.
type CreateRoutesRequest struct {
	RouteTableId *string
	Routes       []*Route
}

// NewDescribeRouteTablesRequest returns an empty request.
func NewDescribeRouteTablesRequest() *DescribeRouteTablesRequest {
	return &DescribeRouteTablesRequest{}
}

// NewDeleteRoutesRequest returns an empty request.
func NewDeleteRoutesRequest() *DeleteRoutesRequest { return &DeleteRoutesRequest{} }

// NewCreateRoutesRequest returns an empty request.
func NewCreateRoutesRequest() *CreateRoutesRequest { return &CreateRoutesRequest{} }

// Client answers every request with an error.
type Client struct{}

// NewClientWithSecretId returns a client that fails every request.
func NewClientWithSecretId(id, key, region string) (*Client, error) { return &Client{}, nil }

// DescribeRouteTables fails.
func (*Client) DescribeRouteTables(*DescribeRouteTablesRequest) (*DescribeRouteTablesResponse, error) {
	return nil, errStandIn
}

// DeleteRoutes fails.
func (*Client) DeleteRoutes(*DeleteRoutesRequest) (struct{}, error) { return struct{}{}, errStandIn }

// CreateRoutes fails.
func (*Client) CreateRoutes(*CreateRoutesRequest) (struct{}, error) { return struct{}{}, errStandIn }
